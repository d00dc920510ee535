"""HTTP building blocks shared by API and pages: parameters, pagination, problem details."""

"""Lists of objects: order, pages, columns, counts and exports."""

"""Pages of integrations: the list, the form to add one, the tabs of one, and their actions."""

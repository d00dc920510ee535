"""The checks of `ultraviolet doctor`."""

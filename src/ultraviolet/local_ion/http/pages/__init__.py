"""The web pages of the local ION: lists, objects that can be edited, deliveries, query runner."""

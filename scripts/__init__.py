"""What make calls: programs beside the project, and the reference pages written from its code."""

"""The instances of components that make up the code location."""

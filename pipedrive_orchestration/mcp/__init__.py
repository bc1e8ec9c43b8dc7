"""The published copy for programs that speak the Model Context Protocol (docs/mcp.md)."""

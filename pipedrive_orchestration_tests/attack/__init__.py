"""What somebody who means no good would try, and that it leads nowhere; docs/security.md lists it."""

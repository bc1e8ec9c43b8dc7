"""How the demo account is held against Pipedrive's own material: its OpenAPI files and its npm client."""

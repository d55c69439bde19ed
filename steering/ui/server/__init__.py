"""The server around the page: who may open it, which requests are answered, and whether it is well."""

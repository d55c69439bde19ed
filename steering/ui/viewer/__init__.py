"""The λ viewer: the texts of a session, and the component that shows them."""

"""The λ viewer: the texts of a page, and the component that shows them."""

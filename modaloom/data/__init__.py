"""READ: a merchant's files in, one clean :class:`~modaloom.data.shop.Shop` out."""

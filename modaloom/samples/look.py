"""What a drawn garment looks like: the contract between the world (who sells what) and the drawing."""

from __future__ import annotations

from dataclasses import dataclass

CATEGORIES: tuple[str, ...] = (
    "t_shirt", "shirt", "blouse", "polo_shirt", "tank_top", "sweater", "turtleneck", "cardigan", "hoodie",
    "blazer", "denim_jacket", "leather_jacket", "puffer_jacket", "trench_coat", "wool_coat",
    "jeans", "trousers", "shorts", "leggings", "mini_skirt", "midi_skirt", "pleated_skirt",
    "dress", "maxi_dress", "qipao", "jumpsuit",
    "sneakers", "ankle_boots", "heels", "loafers",
    "tote_bag", "backpack", "cap", "beanie", "scarf", "belt",
)  # fmt: skip
"""Every kind of garment that can be drawn."""

PRINTS: tuple[str, ...] = (
    "solid", "stripes", "check", "polka_dots", "floral", "leopard", "geometric", "stars", "waves", "botanical",
)  # fmt: skip
"""Every print that a fabric can carry."""

FABRICS: tuple[str, ...] = ("jersey", "cotton", "denim", "knit", "wool", "leather", "satin", "linen", "down", "canvas")
"""Every surface that can be drawn."""

COLOURS: dict[str, str] = {
    "black": "#26262b", "white": "#f5f3ee", "grey": "#9a9ca3", "navy": "#25335a", "blue": "#3f6fb5",
    "sky": "#9cc3e6", "teal": "#2f7f86", "green": "#4b7f52", "olive": "#77794a", "mint": "#a9d8c2",
    "yellow": "#eac453", "mustard": "#c6912f", "orange": "#e0783a", "red": "#c23b3f", "burgundy": "#6d2436",
    "pink": "#eaa3b5", "fuchsia": "#c43f86", "lilac": "#b8a2d6", "purple": "#6b4a91", "brown": "#77533b",
    "camel": "#c39a6b", "beige": "#dccbb0",
}  # fmt: skip
"""Named colours and their sRGB value."""


@dataclass(frozen=True, slots=True)
class Look:
    """One garment to draw. The same look always gives the same bytes."""

    category: str
    colour: str
    accent: str
    """Second colour: of the print, of trims and buttons."""
    print_name: str
    fabric: str
    variant: int
    """Chooses neckline, sleeve length, cut, trims ... within the category, and the fall of the fabric."""

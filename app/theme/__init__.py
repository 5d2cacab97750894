"""How the window looks: palettes, the style sheet, state colours, icons. Knows nothing of core."""

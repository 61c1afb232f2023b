"""Pages of pictures: self-contained HTML, drawn by matplotlib, which is imported only where something is drawn."""

"""Tables of LaTeX, Markdown and HTML, with the text that their cells show."""

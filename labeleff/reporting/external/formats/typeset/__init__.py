"""Tables of LaTeX and Markdown, with the text that their cells show."""

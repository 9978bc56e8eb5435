"""Macros of LaTeX that tables use, by what they do to the text around them."""

from __future__ import annotations

KEPT = {
    **dict.fromkeys(
        (
            *("textbf", "textit", "emph", "underline", "uline", "textrm", "textsc", "texttt", "textsf", "textmd"),
            *("textnormal", "textsl", "textup", "text", "mbox", "hbox", "fbox", "makecell", "thead", "shortstack"),
            *("mathbf", "mathrm", "mathit", "mathsf", "mathtt", "mathcal", "mathbb", "boldsymbol", "bm", "pmb"),
            *("ensuremath", "num", "operatorname", "hl", "smash"),
        ),
        1,
    ),
    **dict.fromkeys(("textcolor", "colorbox", "scalebox", "rotatebox", "raisebox", "parbox", "href"), 2),
    "resizebox": 3,
}
"""Macros whose last argument is text, with their numbers of arguments."""
DROPPED = {
    **dict.fromkeys(("cellcolor", "rowcolor", "columncolor", "color", "vspace", "vspace*", "hspace", "hspace*"), 1),
    **dict.fromkeys(("phantom", "hphantom", "vphantom", "label", "footnote", "arrayrulecolor"), 1),
    **dict.fromkeys(("cite", "citep", "citet", "citealp", "citealt", "citeauthor", "citeyear", "ref", "cref"), 1),
    **dict.fromkeys(("rule", "setlength", "fontsize"), 2),
    **dict.fromkeys(("footnotemark", "addlinespace"), 0),
}
"""Macros without text in a table, with their numbers of arguments; brackets before those go too."""
SWITCHES = frozenset(
    (
        *(
            "bfseries",
            "bf",
            "it",
            "itshape",
            "em",
            "sc",
            "scshape",
            "tt",
            "ttfamily",
            "sf",
            "rm",
            "mdseries",
            "upshape",
        ),
        *("tiny", "scriptsize", "footnotesize", "small", "normalsize", "large", "Large", "boldmath", "displaystyle"),
        *("centering", "raggedright", "raggedleft", "selectfont", "relax", "leavevmode", "noindent", "strut", "hfill"),
        *("arraybackslash", "left", "right", "textstyle", "protect", "unboldmath", "!", "/", "(", ")", "@"),
    )
)
"""Macros without arguments and text."""
RULES = ("toprule", "midrule", "bottomrule", "hline", "cline", "cmidrule", "specialrule", "addlinespace", "noalign")
"""Macros between rows."""
SYMBOLS = {
    **{mark: mark for mark in "%&_#${}"},
    **dict.fromkeys((",", ":", ";", "thinspace"), ""),
    **dict.fromkeys((" ", "\n", "quad", "qquad", "space", "enspace", "newline", "\\"), " "),
    **dict.fromkeys(("dagger", "textdagger", "dag"), "†"),
    **dict.fromkeys(("ddagger", "textdaggerdbl", "ddag"), "‡"),
    **dict.fromkeys(("ast", "textasteriskcentered", "star"), "*"),
    **dict.fromkeys(("to", "rightarrow", "textrightarrow"), "→"),
    **dict.fromkeys(("le", "leq"), "≤"),
    **dict.fromkeys(("ge", "geq"), "≥"),
    **dict.fromkeys(("ldots", "dots", "textellipsis"), "…"),
    **dict.fromkeys(("sim", "textasciitilde"), "~"),
    **dict.fromkeys(("cdot", "textperiodcentered"), "·"),
    **dict.fromkeys(("pm", "textpm"), "±"),
    **dict.fromkeys(("S", "textsection"), "§"),
    **{"mp": "∓", "times": "×", "approx": "≈", "uparrow": "↑", "downarrow": "↓", "checkmark": "✓", "infty": "∞"},
    **{"textbackslash": "\\", "textunderscore": "_", "slash": "/", "textendash": "–", "textemdash": "—", "P": "¶"},
    **{"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "Delta": "Δ", "epsilon": "ε", "eta": "η", "theta": "θ"},
    **{"kappa": "κ", "lambda": "λ", "mu": "μ", "pi": "π", "Pi": "Π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ"},
    **{"chi": "χ", "psi": "ψ", "omega": "ω", "varepsilon": "ε", "ell": "ℓ", "LaTeX": "LaTeX", "ss": "ß", "o": "ø"},
}
"""Macros that are one character, or a space."""

# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's settings for the site: our pages are Markdown, the reference is what antsibull-docs wrote."""

from __future__ import annotations

project = "crossvirt.lifecycle"
author = copyright = "crossvirt contributors"  # noqa: A001 (Sphinx's name for it)

extensions = ["myst_parser", "sphinx_antsibull_ext"]
nitpicky = True
nitpick_ignore_regex = [("envvar", "ANSIBLE_.*")]  # ansible-core documents its own
myst_heading_anchors = 4

html_theme = "furo"
html_title = project
html_copy_source = False
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
highlight_language = "text"

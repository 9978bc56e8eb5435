"""Plug-ins by name, without importing them.

A new built-in plug-in gets its row in this folder and its code in `plugins`.
"""

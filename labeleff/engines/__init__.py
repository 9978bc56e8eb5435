"""Engines: where and when jobs run. Every engine gives the same records for the same cells."""

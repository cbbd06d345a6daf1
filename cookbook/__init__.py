"""Recipes that run, each with a number and a picture."""

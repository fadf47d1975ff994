"""The scanner room: images of ballot pages in, readings and cast vote records out.

`decode` turns bytes into grey pixels, `reader` fits a page by its timing marks and measures
its targets, `sheet` puts sides together, `interpretation` applies the jurisdiction's mark
rules, `cvr` writes cast vote records. Nothing here knows of devices or databases.
"""

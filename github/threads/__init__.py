"""Reading pull requests, issues and discussions: lists of them, pages of whole ones, and the parts that did not fit."""

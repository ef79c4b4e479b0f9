"""The page that lets a person look at a build."""

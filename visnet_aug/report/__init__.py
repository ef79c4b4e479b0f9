"""Pictures that let a person judge a build: contact sheets."""

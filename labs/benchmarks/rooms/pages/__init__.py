"""A site with one small page, which the interface server answers, or workers."""

"""The AsyncAPI document of a site, and types of TypeScript. Needs the extra ``schemas``."""

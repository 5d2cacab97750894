"""Operations, by what they change. Importing a module registers its operations."""

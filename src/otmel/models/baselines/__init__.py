"""The systems that the paper compares with: each an assembly over ``otmel.models.model.LinkerModel``, in one file."""

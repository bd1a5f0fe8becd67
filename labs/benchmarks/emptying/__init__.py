"""What rooms leave behind that once had members."""

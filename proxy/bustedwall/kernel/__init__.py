"""What one socket can be made to do. Each file is one trick of the kernel, with its source."""

"""What one finished run says of trials of other sizes."""

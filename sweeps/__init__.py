"""Many runs: study files, chunks on a cluster, the store on disk, endpoints and summaries."""

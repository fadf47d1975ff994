"""What the commands of `ballotbench protocol` share: sources, people, and lines for people."""

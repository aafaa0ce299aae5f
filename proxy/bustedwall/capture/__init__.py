"""What was on the wire, kept as files: packets to the flows that they are of, each flow to a pcap file."""

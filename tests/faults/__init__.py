"""What happens when something breaks: kills, full disks, lost replies, renewals in between."""

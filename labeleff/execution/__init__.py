"""Jobs to records: workplaces, jobs done, the run as a whole. What is done next is decided in `scheduling`."""

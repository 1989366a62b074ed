"""What every account of a stage has before any service: bus, identity, runtime layer, logging of APIs."""

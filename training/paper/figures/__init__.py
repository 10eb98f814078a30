"""The paper's figures, drawn from this comparison's own results; each says that its patients are simulated."""

"""The paper's figures, drawn from this comparison's results; each states that its patients are simulated."""

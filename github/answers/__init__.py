"""What an answer means: its data, or one error of the taxonomy. Nothing is sent from here."""

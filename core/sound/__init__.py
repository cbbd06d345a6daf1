"""Sound, shared by the modalities one hears: log-mel spectrograms, phases, files."""

"""M3D-GAN: one architecture for six translation tasks between text, pictures and speech."""

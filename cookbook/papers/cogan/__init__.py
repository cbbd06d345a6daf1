"""CoGAN (Liu and Tuzel 2016): the paper's nets and experiments under weight tying."""

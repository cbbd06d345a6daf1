"""SyncGAN (Chen et al. 2018): the paper's nets and experiments under the synchronizer."""

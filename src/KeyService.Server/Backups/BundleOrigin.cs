namespace KeyService.Server.Backups;

/// <summary>Whose bundles these are: of one installation, signed by one key.</summary>
internal sealed record BundleOrigin(byte[] InstallationId, byte[] SigningKey)
{
    /// <summary>What the names of its files begin with.</summary>
    public string Prefix => $"keyservice-{Convert.ToHexStringLower(InstallationId.AsSpan(0, 4))}-";
}

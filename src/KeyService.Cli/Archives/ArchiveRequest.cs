using KeyService.Crypto;

namespace KeyService.Cli.Archives;

/// <summary>What archive is to be made.</summary>
internal sealed record ArchiveRequest(string Key, EncryptionContext Context, string? ContentName);

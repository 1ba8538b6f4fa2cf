using KeyService.Crypto;

namespace KeyService.Server.Destruction;

/// <summary>
/// Places outside the store that hold a copy of a version's key-encryption key, as another capability knows them (backup bundles): registered
/// as a service of this type, asked for a certificate. Each answer is one place, as part of a sentence.
/// </summary>
internal delegate Task<IReadOnlyList<string>> SurvivingCopySource(KeyVersionId version, CancellationToken cancellationToken);

using System.Security.Cryptography;
using KeyService.Crypto.Ceremonies;

namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>People with a key each, who sign transcripts.</summary>
internal sealed class TranscriptSigners(params string[] names) : IDisposable
{
    private readonly Dictionary<string, ECDsa> keys = names.ToDictionary(name => name, _ => ECDsa.Create(ECCurve.NamedCurves.nistP256));

    public string PublicKey(string name) => keys[name].ExportSubjectPublicKeyInfoPem();

    /// <summary>By these, or by all.</summary>
    public Transcript Sign(Transcript transcript, params string[] signers) => (signers.Length > 0 ? signers : names).Aggregate(transcript, (signed, name) => signed.Sign(
        isHsm: false, name, keys[name].ExportSubjectPublicKeyInfo(),
        text => keys[name].SignData(text, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation)));

    public void Dispose()
    {
        foreach (var key in keys.Values)
        {
            key.Dispose();
        }
    }
}

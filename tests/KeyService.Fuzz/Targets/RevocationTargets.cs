using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using KeyService.Fuzz.Engine;
using KeyService.Server.Hosting;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>RFC 5280 section 5: revocation lists, which come from an authority, by way of whoever fetches them.</summary>
internal static class RevocationTargets
{
    private static readonly DateTimeOffset Day = new(2026, 11, 22, 0, 0, 0, TimeSpan.Zero);

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("revocation-list", [typeof(RevocationList), typeof(RevocationLists)], List)
        {
            MaxLength = 2048, Words = [[0x30], [0x30, 0x80], [0x02, 0x01, 0x01], [0x17, 0x0D], [0x18, 0x0F], [0xA0], [0x06, 0x03, 0x55, 0x1D, 0x1B], [0x01, 0x01, 0xFF], [0x03, 0x01, 0x00]],
            Seeds = Seeds,
        },
    ];

    private static Outcome List(byte[] input)
    {
        if (!RevocationList.TryParse(input, out RevocationList? list))
        {
            return Outcome.Refused(Outcome.Step(input.Length));
        }
        Unless(!RevocationList.TryParse((byte[])[.. input, 0], out _), "nothing stands behind a list");
        Unless(input.AsSpan().IndexOf(list.Issuer) > 0, "the issuer stands in it byte for byte");
        return Outcome.Taken(Outcome.Step(list.Count));
    }

    private static IEnumerable<(string Name, byte[] Input)> Seeds()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=Root", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        using X509Certificate2 authority = request.CreateSelfSigned(Day.AddDays(-1), Day.AddDays(300));
        foreach (int count in new[] { 0, 1, 3 })
        {
            CertificateRevocationListBuilder builder = new();
            for (int i = 0; i < count; i++)
            {
                builder.AddEntry([(byte)(i + 1), 2, 3], Day, i == 0 ? X509RevocationReason.KeyCompromise : null);
            }
            yield return ($"{count}-entries", builder.Build(authority, BigInteger.One, Day.AddDays(7), HashAlgorithmName.SHA256, null, Day));
        }
        yield return ("a-certificate", authority.RawData);
        yield return ("nothing", []);
    }
}

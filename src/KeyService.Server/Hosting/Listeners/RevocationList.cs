using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace KeyService.Server.Hosting;

/// <summary>
/// A certificate revocation list as an authority signed it: RFC 5280 section 5, complete and of one issuer. A delta, an indirect one, or one for a
/// part of the certificates says so in a critical extension and is refused: read as a complete one it would say too little.
/// </summary>
internal sealed class RevocationList
{
    private const int MaxSerialLength = 20;
    private const string AuthorityKeyIdentifier = "2.5.29.35";
    private const string CrlNumber = "2.5.29.20";
    private static readonly Asn1Tag Extensions = new(TagClass.ContextSpecific, 0, isConstructed: true);

    private static readonly Dictionary<string, (HashAlgorithmName Hash, bool Elliptic)> Algorithms = new(StringComparer.Ordinal)
    {
        ["1.2.840.113549.1.1.11"] = (HashAlgorithmName.SHA256, false),
        ["1.2.840.113549.1.1.12"] = (HashAlgorithmName.SHA384, false),
        ["1.2.840.113549.1.1.13"] = (HashAlgorithmName.SHA512, false),
        ["1.2.840.10045.4.3.2"] = (HashAlgorithmName.SHA256, true),
        ["1.2.840.10045.4.3.3"] = (HashAlgorithmName.SHA384, true),
        ["1.2.840.10045.4.3.4"] = (HashAlgorithmName.SHA512, true),
    };

    private readonly ReadOnlyMemory<byte> _signed;
    private readonly string _algorithm;
    private readonly byte[] _signature;
    private readonly HashSet<BigInteger> _revoked;

    private RevocationList(ReadOnlyMemory<byte> signed, string algorithm, byte[] signature, byte[] issuer, DateTimeOffset thisUpdate, DateTimeOffset nextUpdate, HashSet<BigInteger> revoked)
    {
        _signed = signed;
        _algorithm = algorithm;
        _signature = signature;
        Issuer = issuer;
        ThisUpdate = thisUpdate;
        NextUpdate = nextUpdate;
        _revoked = revoked;
    }

    /// <summary>Distinguished name, DER.</summary>
    public byte[] Issuer { get; }

    public string IssuerText => new X500DistinguishedName(Issuer).Name;

    public DateTimeOffset ThisUpdate { get; }

    /// <summary>When the next one is promised; after it this one is expired.</summary>
    public DateTimeOffset NextUpdate { get; }

    /// <summary>Certificates that it revokes.</summary>
    public int Count => _revoked.Count;

    /// <summary>Reads DER that is just one list, with <c>nextUpdate</c> and signed by RSA or ECDSA with SHA-2.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> der, [NotNullWhen(true)] out RevocationList? list)
    {
        list = null;
        try
        {
            list = Parse(der);
            return list is not null;
        }
        catch (Exception exception) when (exception is AsnContentException or CryptographicException)
        {
            return false;
        }
    }

    /// <summary>Whether the certificate's serial number stands in it; the issuers are the caller's to compare.</summary>
    public bool Revokes(X509Certificate2 certificate) => _revoked.Contains(new BigInteger(certificate.SerialNumberBytes.Span, isUnsigned: false, isBigEndian: true));

    /// <summary>Whether this authority signed it, and may: RFC 5280 section 6.3.3 (f), (g).</summary>
    public bool IsSignedBy(X509Certificate2 authority)
    {
        if (!authority.SubjectName.RawData.AsSpan().SequenceEqual(Issuer)
            || authority.Extensions.OfType<X509KeyUsageExtension>().FirstOrDefault() is { } usage && !usage.KeyUsages.HasFlag(X509KeyUsageFlags.CrlSign))
        {
            return false;
        }

        var (hash, elliptic) = Algorithms[_algorithm];
        try
        {
            if (elliptic)
            {
                using var ecdsa = authority.GetECDsaPublicKey();
                return ecdsa is not null && ecdsa.VerifyData(_signed.Span, _signature, hash, DSASignatureFormat.Rfc3279DerSequence);
            }

            using var rsa = authority.GetRSAPublicKey();
            return rsa is not null && rsa.VerifyData(_signed.Span, _signature, hash, RSASignaturePadding.Pkcs1);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private static RevocationList? Parse(ReadOnlyMemory<byte> der)
    {
        var file = new AsnReader(der, AsnEncodingRules.DER);
        var outer = file.ReadSequence();
        file.ThrowIfNotEmpty();
        var signed = outer.PeekEncodedValue();
        var content = outer.ReadSequence();
        var algorithm = ReadAlgorithm(outer);
        var signature = outer.ReadBitString(out var unused);
        outer.ThrowIfNotEmpty();
        if (unused != 0 || !Algorithms.ContainsKey(algorithm))
        {
            return null;
        }

        // Version 2 is 1; without one there are no extensions.
        var isVersion2 = content.PeekTag().HasSameClassAndValue(Asn1Tag.Integer);
        if (isVersion2 && (!content.TryReadInt32(out var version) || version != 1) || ReadAlgorithm(content) != algorithm)
        {
            return null;
        }

        var issuer = content.ReadEncodedValue().ToArray();
        if (new AsnReader(issuer, AsnEncodingRules.DER).PeekTag() != Asn1Tag.Sequence)
        {
            return null;
        }

        var thisUpdate = ReadTime(content);
        if (!content.HasData || !IsTime(content.PeekTag()))
        {
            return null;
        }

        var nextUpdate = ReadTime(content);
        var revoked = new HashSet<BigInteger>();
        if (content.HasData && content.PeekTag().HasSameClassAndValue(Asn1Tag.Sequence))
        {
            var entries = content.ReadSequence();
            while (entries.HasData)
            {
                var entry = entries.ReadSequence();
                var serial = entry.ReadIntegerBytes();
                ReadTime(entry);
                if (serial.Length > MaxSerialLength || entry.HasData && !AreKnown(entry.ReadSequence()))
                {
                    return null;
                }

                entry.ThrowIfNotEmpty();
                revoked.Add(new BigInteger(serial.Span, isUnsigned: false, isBigEndian: true));
            }
        }

        if (content.HasData)
        {
            var wrapper = content.ReadSequence(Extensions);
            if (!isVersion2 || !AreKnown(wrapper.ReadSequence(), AuthorityKeyIdentifier, CrlNumber))
            {
                return null;
            }

            wrapper.ThrowIfNotEmpty();
        }

        content.ThrowIfNotEmpty();
        return new RevocationList(signed, algorithm, signature, issuer, thisUpdate, nextUpdate, revoked);
    }

    // Extension ::= SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }
    private static bool AreKnown(AsnReader extensions, params ReadOnlySpan<string> known)
    {
        while (extensions.HasData)
        {
            var extension = extensions.ReadSequence();
            var id = extension.ReadObjectIdentifier();
            var isCritical = extension.PeekTag().HasSameClassAndValue(Asn1Tag.Boolean) && extension.ReadBoolean();
            extension.ReadOctetString();
            extension.ThrowIfNotEmpty();
            if (isCritical && !known.Contains(id))
            {
                return false;
            }
        }

        return true;
    }

    private static string ReadAlgorithm(AsnReader reader)
    {
        var algorithm = reader.ReadSequence();
        var id = algorithm.ReadObjectIdentifier();
        if (algorithm.HasData)
        {
            algorithm.ReadNull();
        }

        algorithm.ThrowIfNotEmpty();
        return id;
    }

    private static bool IsTime(Asn1Tag tag) => tag.HasSameClassAndValue(Asn1Tag.UtcTime) || tag.HasSameClassAndValue(Asn1Tag.GeneralizedTime);

    // Two digits of a year are 1950 to 2049: RFC 5280 section 4.1.2.5.1.
    private static DateTimeOffset ReadTime(AsnReader reader) =>
        reader.PeekTag().HasSameClassAndValue(Asn1Tag.UtcTime) ? reader.ReadUtcTime(2049) : reader.ReadGeneralizedTime();
}

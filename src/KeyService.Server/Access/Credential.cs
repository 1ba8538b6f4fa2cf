namespace KeyService.Server.Access;

/// <summary>How a connection proves to be a principal; frozen numbers.</summary>
internal enum CredentialKind : byte
{
    /// <summary>A URI of the certificate's subject alternative names, compared byte for byte.</summary>
    CertificateSanUri = 1,

    /// <summary>SHA-256 of the certificate's SubjectPublicKeyInfo, 64 lowercase hexadecimal digits.</summary>
    CertificatePublicKeySha256 = 2,

    /// <summary>Peer user id of a Unix socket (SO_PEERCRED), decimal.</summary>
    UnixUid = 3,
}

/// <summary>One credential: what was presented by a connection, or what a principal is registered with.</summary>
internal readonly record struct Credential(CredentialKind Kind, string Value);

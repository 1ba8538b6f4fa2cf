namespace KeyService.Crypto.Shares;

/// <summary>Why words are no share, or shares give no secret.</summary>
public enum ShareFault
{
    /// <summary>They are, and do.</summary>
    None,

    /// <summary>Fewer than 20 words, or a number that no secret takes.</summary>
    Length,

    /// <summary>A number that is no word's.</summary>
    Word,

    /// <summary>The last three words are not those of the words before: something was misread or mistyped.</summary>
    Checksum,

    /// <summary>The words before the secret's are none that a writer makes: bits that must be zero, more groups needed than there are.</summary>
    Malformed,

    /// <summary>A share of another secret, or of another splitting of it.</summary>
    OtherSet,

    /// <summary>A share that is there already, or claims its place.</summary>
    Duplicate,

    /// <summary>Shares are missing.</summary>
    TooFew,

    /// <summary>Shares that fit together by their words and yet give no secret: one of them was made for another one, or altered on purpose.</summary>
    Digest,
}

namespace KeyService.Hsm;

/// <summary>What a probe saw.</summary>
public enum HsmGuaranteeState
{
    /// <summary>The module did what the guarantee says.</summary>
    Held,

    /// <summary>The module did the opposite.</summary>
    Broken,

    /// <summary>The module would not let it be tried; nothing is known.</summary>
    Unknown,
}

/// <summary>One property that the hierarchy rests on, and what the module was seen to do when it was tried.</summary>
/// <param name="Name">Stable name in kebab case, for example <c>unwrap-template-enforced</c>.</param>
/// <param name="State">What was seen.</param>
/// <param name="RequiredInProduction">True when the production profile must refuse a module that does not hold it.</param>
/// <param name="Statement">The guarantee in one sentence.</param>
/// <param name="Evidence">What was tried and what came back.</param>
public sealed record HsmGuarantee(
    string Name,
    HsmGuaranteeState State,
    bool RequiredInProduction,
    string Statement,
    string Evidence);
